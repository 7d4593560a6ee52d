/**
 * The errors of this folder. Decides nothing.
 *
 * Whatever a lock, a radio, the town or storage hands us: what comes out is a value or a
 * ProtocolError. `code` is always a string, and a key of kannuki/texts where a person may meet it.
 * Anything else that is thrown here is our own bug.
 *
 *   ProtocolError            code
 *   +- FormError             MALFORMED: bytes that do not have the form of what they should be
 *   |  +- CborError, CoseError, TokenError, SessionError, FrameError, StatusListError,
 *   |     SignedTimeError, AuditError, BytesError
 *   +- CredentialError       NO_KEY: the token at hand cannot be read, or no key goes with it
 *   +- KeyWrapError          WRAPPED_FOR_ANOTHER: not wrapped for this device and token
 *   +- TransportError        a message did not get through; `texts`: the town's own, if any
 */

export class ProtocolError extends Error {
  constructor(code, why = "", options) {
    super(why ? `${code}: ${why}` : code, options);
    this.name = new.target.name;
    this.code = code;
  }
}

export class FormError extends ProtocolError {
  constructor(why = "unexpected form") {
    super("MALFORMED", why);
  }
}

export class BytesError extends FormError {}
export class CborError extends FormError {}
export class CoseError extends FormError {}
export class TokenError extends FormError {}
export class SessionError extends FormError {}
export class FrameError extends FormError {}
export class StatusListError extends FormError {}
export class SignedTimeError extends FormError {}
export class AuditError extends FormError {}

export class CredentialError extends ProtocolError {
  constructor(why) {
    super("NO_KEY", why);
  }
}

export class KeyWrapError extends ProtocolError {
  constructor(why) {
    super("WRAPPED_FOR_ANOTHER", why);
  }
}

export class TransportError extends ProtocolError {
  constructor(code, why = "", texts = null) {
    super(code, why);
    this.texts = texts;
  }
}
