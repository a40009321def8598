/**
 * Access while auth is disabled. A deployed endpoint belongs to its operator, not to the first caller that finds it.
 * Until auth is enabled, only callers with the setup token have access. OPEN="true" admits all callers.
 *
 *     OPEN="true"      all callers
 *     auth enabled     callers that etcd's rules admit; the setup token is not one of its tokens
 *     otherwise        callers that send SETUP_TOKEN in place of another token
 *     ROOM             also callers that send the key that follows from the room's secret
 */
import { EMPTY_BYTES, equalSecrets } from "../../src/base/bytes.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { fromHex } from "../../src/base/text-codes.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { webSocketContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorParts, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { pathOf } from "./address.ts";
import { clusterSetupToken, recordOfKey } from "./cluster-record.ts";
import { rightOf } from "./routes.ts";
import { WrongTokens } from "./wrong-tokens.ts";

export interface EntranceSettings {
  readonly OPEN?: string | undefined;
  readonly SETUP_TOKEN?: string | undefined;
  /** Of a cluster beside the first one: its key. It has a setup token of its own, too. */
  readonly CLUSTER_NAME?: string | undefined;
  /** Of a room's cluster: the hash of the room's key. */
  readonly ROOM?: string | undefined;
}

/** A shorter token could be guessed. */
export const SETUP_TOKEN_LENGTH_MIN = 16;

const CLOSED = "this endpoint is closed";
const HOW =
  "`npx quorate auth init` opens it with its setup token, which stands where any token does until then " +
  '("Authorization: Bearer SETUP_TOKEN", --token); or deploy it with OPEN="true" for everybody.';
const HOW_IN_ROOM =
  'It is a room, for those who hold its secret: `npx quorate --room LINK`, or "Authorization: Bearer KEY" with the key that ' +
  "`npx quorate cluster key LINK` prints.";
const NO_TOKEN = `Give it a setup token first (\`wrangler secret put SETUP_TOKEN\`, at least ${SETUP_TOKEN_LENGTH_MIN} characters).`;

export class Entrance {
  readonly isOpen: boolean;
  /** Of the accepted tokens. Empty without a token, and with one that is too short. */
  readonly #digests: readonly Uint8Array[];
  readonly #wrong: WrongTokens;
  readonly #how: string;

  constructor(settings: EntranceSettings, nowMs: () => number = Date.now) {
    const { OPEN, SETUP_TOKEN = "", CLUSTER_NAME = "", ROOM = "" } = settings;
    this.isOpen = OPEN === "true" && ROOM === "";
    this.#how = ROOM === "" ? HOW : HOW_IN_ROOM;
    const own = recordOfKey(CLUSTER_NAME) === undefined ? [] : [clusterSetupToken(SETUP_TOKEN, CLUSTER_NAME)];
    const tokens = SETUP_TOKEN.length < SETUP_TOKEN_LENGTH_MIN ? [] : [SETUP_TOKEN, ...own].map(digestOf);
    const room = fromHex(ROOM) ?? EMPTY_BYTES;
    this.#digests = room.length === 0 ? tokens : [...tokens, room];
    this.#wrong = new WrongTokens(nowMs);
  }

  /** Checks a call while auth is disabled. Throws an EtcdError that says what to do. */
  admit({ token, address }: CallContext): void {
    if (this.isOpen) return;
    if (this.#digests.length === 0) throw closed(`${CLOSED}. ${NO_TOKEN} ${HOW}`);
    if (token === "") throw closed(`${CLOSED}. ${this.#how}`);
    if (this.#wrong.isTooMany(address)) {
      throw new EtcdError(GrpcCode.ResourceExhausted, "too many wrong setup tokens; wait a minute");
    }
    const digest = digestOf(token);
    if (this.#digests.some((known) => equalSecrets(digest, known))) return this.#wrong.know(address);
    this.#wrong.count(address);
    throw closed(`${CLOSED}, and this is not its ${this.#how === HOW ? "setup token" : "key"}. ${this.#how}`);
  }

  /** Checks any request. Returns undefined if it is admitted. */
  refusal(request: Request, isAuthEnabled: boolean): Response | undefined {
    // A CORS preflight is sent without a token, and its response reveals nothing.
    if (this.isOpen || isAuthEnabled || request.method === "OPTIONS") return undefined;
    if (rightOf(pathOf(request.url)) === "everybody") return undefined;
    const parts = this.callRefusal(webSocketContext(request), isAuthEnabled);
    return parts === undefined ? undefined : responseOf(parts);
  }

  /** Checks a call that is not a request. */
  callRefusal(context: CallContext, isAuthEnabled: boolean): ErrorParts | undefined {
    if (this.isOpen || isAuthEnabled) return undefined;
    try {
      this.admit(context);
      return undefined;
    } catch (error) {
      return errorParts(error);
    }
  }
}

function closed(message: string): EtcdError {
  return new EtcdError(GrpcCode.Unauthenticated, message);
}

function digestOf(text: string): Uint8Array {
  return new Sha256().update(utf8Encode(text)).digest();
}
