/**
 * Token providers, by etcd's --auth-token: `simple`, or `jwt,sign-method=…,ttl=…`. Simple tokens suit a trial: they are
 * kept in a member's memory and lost with it. A JWT contains its user, so it outlives members, and every member can
 * verify it.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { TokenProvider } from "./credentials.ts";
import type { SimpleTokens } from "./simple-tokens.ts";

export interface TokenOptions {
  /** Default "simple". */
  readonly type?: string | undefined;
  /** PEM (PKCS #8), or the secret itself for HS256 and its like. */
  readonly privateKey?: string | undefined;
  /** PEM (SPKI). If it is the only key, tokens are verified here and issued elsewhere. */
  readonly publicKey?: string | undefined;
  /**
   * The cluster whose tokens these are, where clusters share a key: a token of one is none of another's. Undefined: a
   * cluster alone, whose tokens are etcd's.
   */
  readonly cluster?: string | undefined;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PREFIX_LETTERS = 16;
const JWT_TTL_MS = 5 * 60 * 1000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

export function simpleTokenProvider(tokens: SimpleTokens): TokenProvider {
  return {
    newPrefix,
    issue: async (_username, _revision, simpleToken) => simpleToken,
    async callerOf(token, revision) {
      const username = tokens.userOf(token);
      return username === undefined ? undefined : { username, revision };
    },
  };
}

/** Creates the provider. Rejects an invalid setting before any request is served. */
export async function openTokenProvider(tokens: SimpleTokens, options: TokenOptions): Promise<TokenProvider> {
  const [type = "", ...pairs] = (options.type ?? "simple").split(",");
  const settings = settingsOf(pairs);
  if (type === "simple") return simpleTokenProvider(tokens);
  if (type !== "jwt") throw invalid(`no such token type: ${JSON.stringify(type)}`);
  // Tabs, and members with simple tokens, never load it.
  const { jwtTokens } = await import("./jwt-tokens.ts");
  return jwtTokens({
    method: settings.get("sign-method") ?? "",
    ttlMs: durationMs(settings.get("ttl")),
    privateKey: options.privateKey ?? "",
    publicKey: options.publicKey ?? "",
    cluster: options.cluster,
    nowMs: () => Date.now(),
  });
}

/** Returns sixteen letters, all equally likely: a byte above the last whole alphabet is drawn again. */
function newPrefix(): string {
  const limit = 256 - (256 % LETTERS.length);
  let prefix = "";
  while (prefix.length < PREFIX_LETTERS) {
    for (const byte of crypto.getRandomValues(new Uint8Array(PREFIX_LETTERS))) {
      if (byte < limit && prefix.length < PREFIX_LETTERS) prefix += LETTERS[byte % LETTERS.length];
    }
  }
  return prefix;
}

function settingsOf(pairs: readonly string[]): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  for (const pair of pairs) {
    const [name, value, ...rest] = pair.split("=");
    if (name === undefined || value === undefined || rest.length > 0 || settings.has(name)) throw invalid(pair);
    settings.set(name, value);
  }
  return settings;
}

/** Parses a Go duration: 90s, 5m, 1h30m. */
function durationMs(text: string | undefined): number {
  if (text === undefined || text === "") return JWT_TTL_MS;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) throw invalid(`ttl=${text}`);
  let total = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return total;
}

function invalid(what: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, `auth: invalid auth options: ${what}`);
}
