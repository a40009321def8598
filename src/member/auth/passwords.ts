/**
 * Passwords as in etcd: new ones become bcrypt hashes, so that a snapshot keeps its users, from an etcd and to an etcd.
 * Hashes of older versions of Quorate are verified for as long as they are stored. A log-in does not replace them: a
 * changed user raises the auth revision, which would log out all other users.
 */
import bcrypt from "bcryptjs";
import { unreachable } from "../../base/assert.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { PasswordHasher } from "./credentials.ts";
import type { Slice } from "./pace.ts";
import { BCRYPT_COST_DEFAULT, decoyHash, parsePasswordHash } from "../../auth/password-hashes.ts";
import { verifyPbkdf2 } from "./web-crypto-passwords.ts";

/** etcd returns bcrypt's error text, without a code. */
const errPasswordTooLong: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unknown,
  "bcrypt: password length exceeds 72 bytes",
);

/** No real password is as long. The limit protects against strangers who send large ones. */
const PASSWORD_LENGTH_MAX = 4_096;

/** Creates a hasher. `cost` is bcrypt's for new hashes; etcd's --bcrypt-cost. */
export function memberPasswords(slice: Slice, cost: number = BCRYPT_COST_DEFAULT): PasswordHasher {
  const decoy = decoyHash(cost);
  const verify = (password: string, text: string): Promise<boolean> => {
    const stored = parsePasswordHash(text);
    if (stored === undefined) return slice(() => bcrypt.compare(password, decoy)).then(() => false);
    switch (stored.type) {
      case "bcrypt":
        return slice(() => bcrypt.compare(password, stored.text));
      case "pbkdf2":
        return verifyPbkdf2(password, stored, slice);
      default:
        return unreachable(stored);
    }
  };
  return {
    decoy,
    async hash(password) {
      if (bcrypt.truncates(password)) throw errPasswordTooLong;
      return slice(() => bcrypt.hash(password, cost));
    },
    async verify(password, text) {
      const isTooLong = password.length > PASSWORD_LENGTH_MAX;
      const isRight = await verify(isTooLong ? "" : password, text);
      return isRight && !isTooLong;
    },
  };
}
