"""Fragments: every message survives every MTU; whatever is out of order never becomes a message."""

import unittest

from protocol import frames
from protocol.frames import FIRST, LAST, FrameError, Reassembler, fragment
from tests.protocol.support import Lcg


def push_all(reassembler, fragments):
    """The messages that come out."""
    return [message for message in map(reassembler.push, fragments) if message is not None]


class TestFragment(unittest.TestCase):
    def test_every_message_survives_every_usual_mtu(self):
        noise = Lcg(1)
        for limit in (20, 21, 100, 182, 244, 509):
            for size in (1, 18, 19, 20, 38, 181, 182, 508, 509, 1300, 4096):
                message = noise.bytes(size)
                pieces = fragment(message, limit)
                self.assertLessEqual(max(len(piece) for piece in pieces), limit)
                self.assertEqual(push_all(Reassembler(), pieces), [message])

    def test_a_usual_presentation_is_one_write_at_mtu_185(self):
        self.assertEqual(len(fragment(bytes(181), 185 - 3)), 1)

    def test_the_header_says_first_last_and_index(self):
        headers = [piece[0] for piece in fragment(bytes(19 * 3), 20)]
        self.assertEqual(headers, [FIRST | 0, 1, LAST | 2])
        self.assertEqual(fragment(b"x", 20)[0], b"\xc0x")

    def test_the_index_wraps_after_64_fragments(self):
        pieces = fragment(bytes(19 * 65), 20)
        self.assertEqual([piece[0] for piece in pieces[62:]], [62, 63, LAST | 0])

    def test_no_message_is_empty_or_beyond_the_largest(self):
        self.assertRaises(FrameError, fragment, b"", 20)
        self.assertRaises(FrameError, fragment, bytes(frames.MAX_MESSAGE_BYTES + 1), 20)

    def test_a_peer_cannot_ask_for_fragments_beyond_an_attribute_value(self):
        longest = max(len(piece) for piece in fragment(bytes(4096), 100000))
        self.assertEqual(longest, frames.MAX_FRAGMENT_BYTES)


class TestReassembler(unittest.TestCase):
    def setUp(self):
        self.message = bytes(range(100))
        self.pieces = fragment(self.message, 20)

    def test_fragments_out_of_order_are_refused(self):
        reassembler = Reassembler()
        reassembler.push(self.pieces[0])
        self.assertRaises(FrameError, reassembler.push, self.pieces[2])

    def test_a_missing_fragment_never_yields_a_message(self):
        for missing in range(len(self.pieces)):
            reassembler, messages = Reassembler(), []
            for index, piece in enumerate(self.pieces):
                if index == missing:
                    continue
                try:
                    messages.append(reassembler.push(piece))
                except FrameError:
                    pass
            self.assertNotIn(self.message, messages)
            self.assertEqual([m for m in messages if m is not None], [])

    def test_a_repeated_fragment_is_refused(self):
        reassembler = Reassembler()
        reassembler.push(self.pieces[0])
        reassembler.push(self.pieces[1])
        self.assertRaises(FrameError, reassembler.push, self.pieces[1])

    def test_a_continuation_without_a_beginning_is_refused(self):
        for piece in self.pieces[1:]:
            self.assertRaises(FrameError, Reassembler().push, piece)

    def test_a_first_fragment_with_another_index_is_refused(self):
        self.assertRaises(FrameError, Reassembler().push, bytes([FIRST | 1]) + b"x")

    def test_after_an_error_only_a_first_fragment_counts(self):
        reassembler = Reassembler()
        reassembler.push(self.pieces[0])
        self.assertRaises(FrameError, reassembler.push, self.pieces[2])
        self.assertRaises(FrameError, reassembler.push, self.pieces[1])
        self.assertEqual(push_all(reassembler, self.pieces), [self.message])

    def test_a_first_fragment_abandons_an_unfinished_message(self):
        reassembler = Reassembler()
        reassembler.push(self.pieces[0])
        reassembler.push(self.pieces[1])
        self.assertEqual(push_all(reassembler, self.pieces), [self.message])

    def test_interleaved_messages_never_yield_either_plus_more(self):
        other = fragment(bytes(100), 20)
        reassembler, messages = Reassembler(), []
        for mine, theirs in zip(self.pieces, other):
            for piece in (mine, theirs):
                try:
                    messages.append(reassembler.push(piece))
                except FrameError:
                    pass
        self.assertEqual([m for m in messages if m is not None], [])

    def test_an_empty_fragment_is_refused(self):
        for piece in (b"", b"\x80", b"\xc0", b"\x40"):
            self.assertRaises(FrameError, Reassembler().push, piece)

    def test_an_oversize_message_is_refused_before_it_is_held(self):
        reassembler = Reassembler(40)
        reassembler.push(self.pieces[0])
        reassembler.push(self.pieces[1])
        self.assertRaises(FrameError, reassembler.push, self.pieces[2])
        self.assertRaises(FrameError, Reassembler(40).push, bytes([FIRST | LAST]) + bytes(41))
        self.assertEqual(Reassembler(40).push(bytes([FIRST | LAST]) + bytes(40)), bytes(40))

    def test_random_fragments_are_refused_or_make_bounded_messages(self):
        noise, reassembler, completed = Lcg(3), Reassembler(64), 0
        for _ in range(4000):
            try:
                message = reassembler.push(noise.bytes(noise.below(30)))
            except FrameError:
                continue
            if message is not None:
                completed += 1
                self.assertLessEqual(len(message), 64)
        self.assertTrue(completed > 0, "the noise never made a message")
