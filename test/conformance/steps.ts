/**
 * A conversation with a server, step by step, as data: drawn from a seed, kept in fixtures, played to any target.
 *
 * Texts may hold `${name}` for what only the server knows, such as a token or an id that it chose; a step says with
 * `saves` under which name a field of its answer is kept.
 */

export interface Call {
  /** Default POST. */
  readonly method?: string;
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Name → dotted path of the field in the answer. */
  readonly saves?: Readonly<Record<string, string>>;
}

export type Step =
  | ({ readonly type: "call" } & Call)
  /** A call that may wait; a later `sync` reports its response. */
  | ({ readonly type: "begin"; readonly name: string } & Call)
  /** The caller goes away. */
  | { readonly type: "abandon"; readonly name: string }
  /** A stream: over HTTP with all requests in the body, or over a WebSocket and with what is sent on it. */
  | {
      readonly type: "open";
      readonly name: string;
      readonly path: string;
      readonly body?: string;
      readonly token?: string;
    }
  | { readonly type: "send"; readonly name: string; readonly text: string }
  | { readonly type: "close"; readonly name: string }
  /** Waits until all streams and waiting calls have said what they have to say, and tells it. */
  | { readonly type: "sync" }
  /** Waits until a lease has run out. */
  | { readonly type: "expire"; readonly lease: string }
  | { readonly type: "leader-change" };

/** What a target did at a step; JSON without anything that must differ between two servers. */
export type Observation = unknown;

export function describeStep(step: Step): string {
  switch (step.type) {
    case "call":
      return `${step.method ?? "POST"} ${step.path} ${headersText(step.headers)}${step.body}`;
    case "begin":
      return `(waiting, ${step.name}) ${step.path} ${headersText(step.headers)}${step.body}`;
    case "open":
      return `open ${step.name} ${step.path} ${step.body ?? "(WebSocket)"}${step.token === undefined ? "" : ` with ${step.token}`}`;
    case "send":
      return `send on ${step.name} ${step.text}`;
    case "abandon":
    case "close":
      return `${step.type} ${step.name}`;
    case "expire":
      return `wait for the end of lease ${step.lease}`;
    case "sync":
    case "leader-change":
      return step.type;
  }
}

function headersText(headers: Readonly<Record<string, string>> | undefined): string {
  return headers === undefined ? "" : `${JSON.stringify(headers)} `;
}
