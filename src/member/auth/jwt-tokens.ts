/**
 * etcd's `jwt` tokens, by jose: user and auth revision, signed. A token of an older revision is refused where keys are
 * read or written. So after a change of users or roles every client must authenticate again.
 *
 * Validation is as strict as RFC 8725 advises, and etcd's own tokens pass: one algorithm, `typ` is JWT, no critical
 * extensions, an expiry that exists and is near, claims of the right types.
 */
import { jwtVerify, SignJWT } from "jose";
import type { JWTPayload, JWTVerifyResult } from "jose";
import type { Caller } from "../../auth/auth-store.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { TokenProvider } from "./credentials.ts";
import { importJwtKeys, keyError } from "./jwt-keys.ts";

export interface JwtOptions {
  /** HS256 and its variants, RS, PS, ES, EdDSA. Tokens of any other algorithm are invalid. */
  readonly method: string;
  /** From one second to a day. */
  readonly ttlMs: number;
  /** PEM (PKCS #8), or the secret itself for HS256 and its like. */
  readonly privateKey: string;
  /** PEM (SPKI). */
  readonly publicKey: string;
  /** Claim `quorate_cluster` of the tokens: one with another value, or with one where none is set, is not accepted. */
  readonly cluster?: string | undefined;
  /** Milliseconds since 1970. Other members and other programs must read the same time. */
  readonly nowMs: () => number;
}

const TTL_MIN_MS = 1_000;
/** Only a change of users or roles revokes a token, so this is the longest lifetime. */
const TTL_MAX_MS = 24 * 60 * 60 * 1_000;
/** Largest difference between members' clocks. */
const CLOCK_TOLERANCE_S = 5;
const TOKEN_LENGTH_MAX = 8 * 1024;
const CLUSTER_CLAIM = "quorate_cluster";

const errVerifyOnly: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unknown,
  "auth: token signing attempted with verify-only key",
);

/** Creates the provider. Rejects with an EtcdError that says how to correct an unsuitable key or lifetime. */
export async function jwtTokens(options: JwtOptions): Promise<TokenProvider> {
  const { method, ttlMs, nowMs, cluster } = options;
  if (!(ttlMs >= TTL_MIN_MS && ttlMs <= TTL_MAX_MS)) throw keyError("the ttl of a token is from 1s to 24h");
  const keys = await importJwtKeys(method, options);
  return {
    newPrefix: () => "",
    async issue(username, revision) {
      if (keys.sign === undefined) throw errVerifyOnly;
      const exp = Math.floor((nowMs() + ttlMs) / 1000);
      const claims = { username, revision, exp, ...(cluster === undefined ? {} : { [CLUSTER_CLAIM]: cluster }) };
      const token = new SignJWT(claims).setProtectedHeader({ alg: method, typ: "JWT" });
      return token.sign(keys.sign);
    },
    async callerOf(token) {
      if (token.length > TOKEN_LENGTH_MAX) return undefined;
      const currentDate = new Date(nowMs());
      let verified: JWTVerifyResult;
      try {
        verified = await jwtVerify(token, keys.verify, {
          algorithms: [method],
          typ: "JWT",
          requiredClaims: ["exp", "username", "revision"],
          clockTolerance: CLOCK_TOLERANCE_S,
          currentDate,
        });
      } catch {
        // The reason is not returned, because it would help to forge tokens.
        return undefined;
      }
      // jose supports one critical extension, unencoded payloads. etcd's tokens have none.
      if (verified.protectedHeader.crit !== undefined) return undefined;
      if (verified.payload[CLUSTER_CLAIM] !== cluster) return undefined;
      return callerOf(verified.payload, currentDate);
    },
  };
}

function callerOf({ exp, username, revision }: JWTPayload, now: Date): Caller | undefined {
  const endsInMs = (exp ?? Infinity) * 1000 - now.getTime();
  if (!(endsInMs <= TTL_MAX_MS + CLOCK_TOLERANCE_S * 1000)) return undefined;
  if (typeof username !== "string" || username === "") return undefined;
  if (typeof revision !== "number" || !Number.isSafeInteger(revision) || revision < 0) return undefined;
  return { username, revision };
}
