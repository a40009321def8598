/** Where the page gets its data from: the edge or a room. The view is the same for both. */
import type { Client } from "../../src/client/client.ts";
import type { Inviting } from "./inviting.ts";
import type { Situation } from "./situation.ts";

export interface PageSource {
  /** The cluster's name, shown in the header. */
  readonly title: string;
  /** Shown under the members. */
  readonly share: { readonly text: string; readonly link: string } | undefined;
  readonly client: Client;
  /** Replaces everything by what a snapshot holds; undefined where the page cannot. */
  readonly restore: ((snapshot: Blob) => Promise<void>) | undefined;
  /** Undefined where nobody can be invited. */
  readonly inviting?: Inviting | undefined;
  /** Resolves when reads can be answered. */
  readonly opened: Promise<void>;
  /** How the list of keys is read. Rooms read the tab's own replica, which needs no quorum. */
  readonly serializable: boolean;
  /** The shortest time between two reads of the list while keys change, in ms. */
  readonly refreshMs: number;
  situation(): Situation;
  /** Called when the situation has changed. */
  subscribe(listener: () => void): void;
}
