/**
 * Loads the keys of `jwt` tokens. They are refused at the start if they are too weak for their algorithm or belong to
 * another kind (RFC 8725 §3.5, RFC 7518 §3). Each error says which key would work.
 */
import { exportJWK, importJWK, importPKCS8, importSPKI } from "jose";
import type { CryptoKey, JWK } from "jose";
import { utf8Encode } from "../../base/utf8.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

export interface JwtKeys {
  /** Undefined if only a public key is configured. */
  readonly sign: CryptoKey | undefined;
  readonly verify: CryptoKey;
}

interface KeyTexts {
  readonly privateKey: string;
  readonly publicKey: string;
}

const RSA_BITS_MIN = 2048;
/** Algorithm for `openssl genpkey`, by the family of the method. */
const OPENSSL_ALGORITHMS: Readonly<Record<string, string>> = {
  RS: "RSA -pkeyopt rsa_keygen_bits:3072",
  PS: "RSA -pkeyopt rsa_keygen_bits:3072",
  ES256: "EC -pkeyopt ec_paramgen_curve:P-256",
  ES384: "EC -pkeyopt ec_paramgen_curve:P-384",
  ES512: "EC -pkeyopt ec_paramgen_curve:P-521",
  EdDSA: "ed25519",
};

export async function importJwtKeys(method: string, texts: KeyTexts): Promise<JwtKeys> {
  if (!/^(?:(?:HS|RS|PS|ES)(?:256|384|512)|EdDSA)$/.test(method)) {
    throw keyError(
      `${JSON.stringify(method)} is no sign-method; EdDSA, or one of HS, RS, PS, ES with 256, 384 or 512 is`,
    );
  }
  if (method.startsWith("HS")) return secretKeys(method, texts.privateKey);
  const { privateKey, publicKey } = texts;
  if (privateKey === "" && publicKey === "") {
    throw keyError(`${method} needs a private key, or a public one to verify only. ${howToMake(method)}`);
  }
  const given = publicKey === "" ? undefined : await readPem("PUBLIC KEY", publicKey, method);
  const sign = privateKey === "" ? undefined : await readPem("PRIVATE KEY", privateKey, method);
  const verify = sign === undefined ? given : await publicOf(sign, method);
  if (verify === undefined) throw keyError("there is no key");
  if (given !== undefined && !isSame(await exportJWK(given), await exportJWK(verify))) {
    throw keyError("public and private keys don't match");
  }
  return { sign, verify };
}

async function secretKeys(method: string, secret: string): Promise<JwtKeys> {
  const bits = method.slice(2);
  const bytesMin = Number(bits) / 8;
  const bytes = new Uint8Array(utf8Encode(secret));
  if (bytes.length < bytesMin) {
    throw keyError(
      `${method} needs a secret of ${bytesMin} bytes or more as its private key, and has ${bytes.length}. ` +
        `"openssl rand -hex ${bytesMin}" makes one`,
    );
  }
  const algorithm = { name: "HMAC", hash: `SHA-${bits}` };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]);
  return { sign: key, verify: key };
}

async function readPem(label: string, text: string, method: string): Promise<CryptoKey> {
  // A setting in one line contains its line breaks as \n.
  const [pem] =
    new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(text.replaceAll("\\n", "\n")) ?? [];
  if (pem === undefined) {
    const other = label === "PRIVATE KEY" ? '; "openssl pkcs8 -topk8 -nocrypt" turns other forms into it' : "";
    throw keyError(`the key is not a PEM block "${label}"${other}`);
  }
  let key: CryptoKey;
  try {
    const read = label === "PRIVATE KEY" ? importPKCS8 : importSPKI;
    key = await read(pem, method, { extractable: true });
  } catch {
    throw keyError(`the ${label.toLowerCase()} is none for ${method}. ${howToMake(method)}`);
  }
  const { modulusLength } = key.algorithm as { readonly modulusLength?: number };
  if (modulusLength !== undefined && modulusLength < RSA_BITS_MIN) {
    throw keyError(
      `${method} needs an RSA key of ${RSA_BITS_MIN} bits or more, and has ${modulusLength}. ${howToMake(method)}`,
    );
  }
  return key;
}

async function publicOf(key: CryptoKey, method: string): Promise<CryptoKey> {
  const parts = Object.entries(await exportJWK(key)).filter(([name]) => PUBLIC_NAMES.some((one) => one === name));
  const imported = await importJWK(Object.fromEntries(parts), method, { extractable: true });
  if (imported instanceof Uint8Array) throw keyError("a secret has no public part");
  return imported;
}

const PUBLIC_NAMES = ["kty", "crv", "x", "y", "n", "e"] as const;

function isSame(left: JWK, right: JWK): boolean {
  return PUBLIC_NAMES.every((name) => left[name] === right[name]);
}

function howToMake(method: string): string {
  const algorithm = OPENSSL_ALGORITHMS[method] ?? OPENSSL_ALGORITHMS[method.slice(0, 2)] ?? "";
  return `"openssl genpkey -algorithm ${algorithm}" makes one`;
}

/** Returns the error of an invalid setting. It stops a member before it serves any request. */
export function keyError(text: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, `auth: ${text}`);
}
