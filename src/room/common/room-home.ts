/** Where a room's cluster lives, as its log says: in objects of the server, or in tabs. Pure. */
import { haveGivenUp } from "../../member/membership/cluster-shape.ts";
import type { Membership } from "../../member/membership/membership.ts";
import type { RoomShape } from "./room-edge.ts";

type Known = Pick<Membership, "shape" | "confState" | "members" | "get">;

/** Undefined while it changes, and before the log says anything. */
export function homeOf(known: Known): "objects" | "tabs" | undefined {
  if (known.members.length === 0) return undefined;
  switch (known.shape.shape) {
    case "none":
      return "tabs";
    case "tabs":
      return haveGivenUp(known) ? "tabs" : undefined;
    case "edge":
    case "mixed":
      return doObjectsVote(known) ? "objects" : undefined;
  }
}

/** Who votes now. `isAtEdge`: what is taken for true before the log says anything. */
export function roomShapeOf(known: Known, isAtEdge: boolean): RoomShape {
  const { shape, objects } = known.shape;
  switch (shape) {
    case "none":
      return isAtEdge ? "edge" : "tabs";
    case "tabs":
      return haveGivenUp(known) ? "tabs" : "mixed";
    case "edge":
    case "mixed":
      // An object publishes its name when it is a member. Until then the tabs go on as before.
      return doObjectsVote(known) || objects.some((id) => (known.get(id)?.name ?? "") !== "") ? shape : "tabs";
  }
}

function doObjectsVote({ shape: { objects }, confState: { voters } }: Known): boolean {
  return objects.some((id) => voters.includes(id));
}
