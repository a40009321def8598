/**
 * etcd's `jwt` tokens: who it is and at which auth revision, signed. A token of an older revision is refused where keys
 * are read or written, so a change of users or roles sends every client back to authenticate.
 */
import { fromBase64, toBase64 } from "../base/text-codes.ts";
import { utf8Decode, utf8Encode } from "../base/utf8.ts";
import type { Caller } from "../auth/auth-store.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { TokenProvider } from "./credentials.ts";

export interface JwtOptions {
  /** HS256 and its like, RS, PS, ES, EdDSA. */
  readonly method: string;
  readonly ttlMs: number;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Milliseconds since 1970: other members, and other programs, read the same time. */
  readonly nowMs: () => number;
}

/** All that any of the algorithms asks for; each takes what is its own. */
interface Algorithm {
  readonly name: string;
  readonly hash: string;
  readonly namedCurve: string;
  readonly saltLength: number;
}

/** A public key's part of a JSON Web Key, of whichever kind. */
interface PublicJwk {
  readonly kty: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
}

interface Method {
  readonly isSecret: boolean;
  readonly algorithm: Algorithm;
}

interface Keys {
  readonly sign: CryptoKey | undefined;
  readonly verify: CryptoKey;
}

const TOKEN_LENGTH_MAX = 8 * 1024;
const NAMES: Readonly<Record<string, string>> = { HS: "HMAC", RS: "RSASSA-PKCS1-v1_5", PS: "RSA-PSS", ES: "ECDSA" };
const CURVES: Readonly<Record<string, string>> = { "256": "P-256", "384": "P-384", "512": "P-521" };

const errVerifyOnly: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unknown,
  "auth: token signing attempted with verify-only key",
);

export async function jwtTokens(options: JwtOptions): Promise<TokenProvider> {
  const method = methodOf(options.method);
  const keys = await importKeys(method, options);
  const header = encoded({ alg: options.method, typ: "JWT" });
  return {
    newPrefix: () => "",
    async issue(username, revision) {
      if (keys.sign === undefined) throw errVerifyOnly;
      const exp = Math.floor((options.nowMs() + options.ttlMs) / 1000);
      const text = `${header}.${encoded({ exp, revision, username })}`;
      const signature = await crypto.subtle.sign(method.algorithm, keys.sign, bytesOf(text));
      return `${text}.${base64Url(new Uint8Array(signature))}`;
    },
    callerOf: (token) => verified(token, options, method, keys.verify),
  };
}

async function verified(
  token: string,
  options: JwtOptions,
  { algorithm }: Method,
  key: CryptoKey,
): Promise<Caller | undefined> {
  if (token.length > TOKEN_LENGTH_MAX) return undefined;
  const [head = "", body = "", tail = "", ...rest] = token.split(".");
  const signature = fromBase64(tail);
  // The method is the server's to choose: a token that names another one, or "none", is not looked at.
  if (rest.length > 0 || signature === undefined || decoded(head)?.["alg"] !== options.method) return undefined;
  const isGenuine = await crypto.subtle.verify(algorithm, key, new Uint8Array(signature), bytesOf(`${head}.${body}`));
  return isGenuine ? callerOf(decoded(body), options.nowMs() / 1000) : undefined;
}

function callerOf(claims: Readonly<Record<string, unknown>> | undefined, nowSeconds: number): Caller | undefined {
  if (claims === undefined) return undefined;
  const { username, revision, exp, nbf } = claims;
  if (typeof username !== "string" || typeof revision !== "number" || !Number.isSafeInteger(revision)) return undefined;
  if (revision < 0 || !isTime(exp) || !isTime(nbf)) return undefined;
  if (exp !== undefined && nowSeconds >= exp) return undefined;
  if (nbf !== undefined && nowSeconds < nbf) return undefined;
  return { username, revision };
}

function isTime(claim: unknown): claim is number | undefined {
  return claim === undefined || typeof claim === "number";
}

function methodOf(name: string): Method {
  const [, family = "", bits = ""] = /^(HS|RS|PS|ES)(256|384|512)$/.exec(name) ?? [];
  const algorithmName = name === "EdDSA" ? "Ed25519" : NAMES[family];
  if (algorithmName !== undefined) {
    const algorithm = {
      name: algorithmName,
      hash: `SHA-${bits}`,
      namedCurve: CURVES[bits] ?? "",
      saltLength: Number(bits) / 8,
    };
    return { isSecret: family === "HS", algorithm };
  }
  throw keyError("invalid auth signature method");
}

async function importKeys({ isSecret, algorithm }: Method, { privateKey, publicKey }: JwtOptions): Promise<Keys> {
  if (privateKey === "" && (publicKey === "" || isSecret)) throw keyError("missing key data");
  const { subtle } = crypto;
  if (isSecret) {
    const key = await subtle.importKey("raw", bytesOf(privateKey), algorithm, false, ["sign", "verify"]);
    return { sign: key, verify: key };
  }
  const given =
    publicKey === ""
      ? undefined
      : await subtle.importKey("spki", pemBytes(publicKey, "PUBLIC KEY"), algorithm, false, ["verify"]);
  if (privateKey === "") return { sign: undefined, verify: given as CryptoKey };
  const sign = await subtle.importKey("pkcs8", pemBytes(privateKey, "PRIVATE KEY"), algorithm, true, ["sign"]);
  const verify = await publicOf(sign, algorithm);
  if (given !== undefined && !(await belong(sign, given, algorithm))) {
    throw keyError("public and private keys don't match");
  }
  return { sign, verify };
}

async function publicOf(key: CryptoKey, algorithm: Algorithm): Promise<CryptoKey> {
  const { kty, crv, x, y, n, e } = (await crypto.subtle.exportKey("jwk", key)) as PublicJwk;
  const parts: PublicJwk = {
    kty,
    ...(crv === undefined ? {} : { crv }),
    ...(x === undefined ? {} : { x }),
    ...(y === undefined ? {} : { y }),
    ...(n === undefined ? {} : { n }),
    ...(e === undefined ? {} : { e }),
  };
  return crypto.subtle.importKey("jwk", parts, algorithm, false, ["verify"]);
}

async function belong(sign: CryptoKey, verify: CryptoKey, algorithm: Algorithm): Promise<boolean> {
  const probe = bytesOf("probe");
  return crypto.subtle.verify(algorithm, verify, await crypto.subtle.sign(algorithm, sign, probe), probe);
}

/** The other PEM forms (RSA PRIVATE KEY, EC PRIVATE KEY) become this one with `openssl pkcs8 -topk8 -nocrypt`. */
function pemBytes(pem: string, label: string): Uint8Array<ArrayBuffer> {
  // Where a setting is one line, its line breaks are written as \n.
  const lines = pem.replaceAll("\\n", "\n");
  const [, body] = new RegExp(`-----BEGIN ${label}-----([^-]+)-----END ${label}-----`).exec(lines) ?? [];
  const bytes = body === undefined ? undefined : fromBase64(body.replaceAll(/\s/g, ""));
  if (bytes === undefined) throw keyError(`the key is not a PEM block "${label}"`);
  return new Uint8Array(bytes);
}

function decoded(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = fromBase64(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(utf8Decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function encoded(value: Readonly<Record<string, string | number>>): string {
  return base64Url(utf8Encode(JSON.stringify(value)));
}

function base64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(utf8Encode(text));
}

function keyError(text: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, `auth: ${text}`);
}
