/** What a member needs of its browser. Nothing is touched before a room is opened, so a server may import this. */
import { OpenRoomError } from "./errors.ts";

/** The globals of a browser, each of which may be missing. */
export interface BrowserGlobals {
  readonly isSecureContext?: boolean;
  readonly indexedDB?: unknown;
  readonly RTCPeerConnection?: unknown;
  readonly BroadcastChannel?: unknown;
  readonly navigator?: { readonly locks?: unknown };
  readonly crypto?: { readonly subtle?: unknown };
  readonly document?: unknown;
}

const WEBRTC = "WebRTC (RTCPeerConnection)";

/**
 * Throws OpenRoomError (unsupported), which names what is missing and what works without it. Tabs meet each other by
 * WebRTC; a tab of a room at the edge meets the room's objects alone.
 */
export function checkBrowserSupport(globals: BrowserGlobals, isAtEdge = false): void {
  const needs: readonly (readonly [string, unknown])[] = [
    ["a page (document)", globals.document],
    ["IndexedDB", globals.indexedDB],
    [WEBRTC, isAtEdge || globals.RTCPeerConnection],
    ["BroadcastChannel", globals.BroadcastChannel],
    ["Web Locks (navigator.locks)", globals.navigator?.locks],
    ["Web Crypto (crypto.subtle)", globals.crypto?.subtle],
  ];
  const missing = needs
    .filter(([, power]) => power === undefined || power === null || power === false)
    .map(([name]) => name);
  if (missing.length === 0) return;
  const why =
    globals.isSecureContext === false ? " Browsers give some of it to pages of https and of localhost alone." : "";
  const edge = missing.join() === WEBRTC ? ' A room at the edge ({ shape: "edge" }) works without it.' : "";
  throw new OpenRoomError(
    "unsupported",
    `A room cannot be opened here, because this is missing: ${missing.join(", ")}.${why}${edge} ` +
      'connect({ endpoint }) of "quorate" works without any of it.',
  );
}
