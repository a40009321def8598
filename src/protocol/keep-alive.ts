/**
 * A ping and its answer as text, over every WebSocket to a member at the edge. The platform answers it while the member is
 * not in memory. It knows one pair of texts for all sockets of an object.
 */
export const KEEP_ALIVE_PING = "ping";
export const KEEP_ALIVE_PONG = "pong";
