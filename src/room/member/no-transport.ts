/** The transport of a member that only reads: nobody hears of it, and it hears of nobody. */
import type { TabTransport } from "./tab-transport.ts";

export const NO_TRANSPORT: TabTransport = {
  maxFrameBytes: Infinity,
  start: () => {},
  send: () => {},
  setPeers: () => {},
  isAuthenticated: () => false,
  retryNow: () => {},
  close: () => {},
};
