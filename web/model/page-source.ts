/** What the page stands on. Edge and room provide it; everything below is the same for both. */
import type { Client } from "../../src/client/client.ts";
import type { Situation } from "./situation.ts";

export interface PageSource {
  /** In the header: which cluster this is. */
  readonly title: string;
  /** Shown under the members. */
  readonly share: { readonly text: string; readonly link: string } | undefined;
  readonly client: Client;
  /** Resolves when there is something that can be asked. */
  readonly opened: Promise<void>;
  /** A read of this page's list: rooms show the tab's own replica, which is also there without a quorum. */
  readonly serializable: boolean;
  /** At most so often the list is read again while keys change. */
  readonly refreshMs: number;
  situation(): Situation;
  /** Called when the situation has changed. */
  subscribe(listener: () => void): void;
}
