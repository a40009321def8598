/** What the gRPC front serves: the services of an endpoint, and how the keep-alives of its leases travel. */
import type { Services } from "../member/api/services.ts";
import type { BeatCarrier } from "./beats.ts";

export interface FrontServices extends Services {
  /** Without it, each keep-alive is a call. */
  readonly beats?: BeatCarrier;
}
