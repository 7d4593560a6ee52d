"""As much of `unittest` as our shared tests use, for MicroPython, which has none.

Decides how a test file runs inside MicroPython: every `test_*` method of every TestCase, each on a
fresh instance. `python unittest.py MODULE` prints one line per failure and the counts; exits 1
when anything failed or nothing ran.
"""

import sys


class _Raises:
    def __init__(self, kind):
        self._kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            raise AssertionError("{} was not raised".format(self._kind))
        self.exception = error
        return issubclass(kind, self._kind)


class _SubTest:
    def __init__(self, what):
        self._what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            print("in", self._what)
        return False


class TestCase:
    """The assertions that our tests use; extend it rather than work around it."""

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def fail(self, message=""):
        raise AssertionError(message)

    def subTest(self, *what, **named):
        return _SubTest(what or named)

    def assertTrue(self, value, message=""):
        if not value:
            self.fail(message or "{!r} is not true".format(value))

    def assertFalse(self, value, message=""):
        if value:
            self.fail(message or "{!r} is not false".format(value))

    def assertEqual(self, first, second, message=""):
        if not first == second:
            self.fail(message or "{!r} != {!r}".format(first, second))

    def assertNotEqual(self, first, second, message=""):
        if first == second:
            self.fail(message or "{!r} == {!r}".format(first, second))

    def assertIs(self, first, second, message=""):
        if first is not second:
            self.fail(message or "{!r} is not {!r}".format(first, second))

    def assertIsNone(self, value, message=""):
        self.assertIs(value, None, message)

    def assertIsNotNone(self, value, message=""):
        if value is None:
            self.fail(message or "unexpected None")

    def assertIn(self, member, container, message=""):
        if member not in container:
            self.fail(message or "{!r} not in {!r}".format(member, container))

    def assertNotIn(self, member, container, message=""):
        if member in container:
            self.fail(message or "{!r} in {!r}".format(member, container))

    def assertIsInstance(self, value, kind, message=""):
        if not isinstance(value, kind):
            self.fail(message or "{!r} is not a {!r}".format(value, kind))

    def assertLessEqual(self, first, second, message=""):
        if not first <= second:
            self.fail(message or "{!r} > {!r}".format(first, second))

    def assertRaises(self, kind, call=None, *args):
        if call is None:
            return _Raises(kind)
        with _Raises(kind):
            call(*args)


def run(module):
    """(tests run, tests failed) of every TestCase in `module`."""
    ran = failed = 0
    for name in sorted(dir(module)):
        case = getattr(module, name)
        if not isinstance(case, type) or not issubclass(case, TestCase) or case is TestCase:
            continue
        for method in sorted(dir(case)):
            if method.startswith("test"):
                ran += 1
                failed += not _passes(case, name, method)
    return ran, failed


def _passes(case, name, method):
    instance = case()
    try:
        instance.setUp()
        try:
            getattr(instance, method)()
        finally:
            instance.tearDown()
    except Exception as error:
        print("FAILED {}.{}".format(name, method))
        _print_exception(error)
        return False
    return True


def _print_exception(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, sys.stdout)
    else:
        print(repr(error))


def _main(module_name):
    module = __import__(module_name, None, None, ("*",))
    ran, failed = run(module)
    print("ran {} failed {}".format(ran, failed))
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    # The module that tests import must be this one, or their TestCase would be another class.
    import unittest

    sys.exit(unittest._main(sys.argv[1]))
