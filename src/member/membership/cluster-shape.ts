/** How the shape of a room's cluster changes: part of the replicated state, and pure. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import type { MemberChange } from "../../protocol/peer/member-change-schema.ts";
import type { ConfState, MemberId } from "../../protocol/peer/raft-message.ts";

const OBJECTS_MAX = 16;

export const errBadShape: EtcdError = new EtcdError(
  GrpcCode.InvalidArgument,
  "a cluster's shape is edge, mixed or tabs, and names the members that are objects",
);

export const errObjectsLeft: EtcdError = new EtcdError(
  GrpcCode.FailedPrecondition,
  "the objects that voted here have given up their votes for good: remove them, and add others",
);

export function isShape(shape: ClusterShape | undefined): boolean {
  if (shape === undefined || shape.shape === "none") return false;
  return shape.objects.length > 0 && shape.objects.length <= OBJECTS_MAX;
}

export interface ShapeView {
  readonly shape: ClusterShape;
  readonly confState: Pick<ConfState, "voters" | "votersOutgoing">;
  get(id: MemberId): unknown;
}

/**
 * Returns why the shape must not become this one; undefined if it may. Objects that have given up their votes to tabs stop,
 * and are deleted when they know it. So the log gives them no vote again.
 */
export function shapeRefusal(wanted: ClusterShape | undefined, known: ShapeView): EtcdError | undefined {
  if (wanted === undefined || !isShape(wanted)) return errBadShape;
  const { objects } = known.shape;
  if (wanted.shape === "tabs") return undefined;
  const isForgotten = (id: MemberId): boolean => known.get(id) !== undefined && !wanted.objects.includes(id);
  if (objects.some(isForgotten)) return errObjectsLeft;
  return haveGivenUp(known) && wanted.objects.some((id) => objects.includes(id)) ? errObjectsLeft : undefined;
}

/** The tabs vote alone, where objects voted before. */
export function haveGivenUp({ shape: { shape, objects }, confState }: Omit<ShapeView, "get">): boolean {
  const { voters, votersOutgoing } = confState;
  return shape === "tabs" && !objects.some((id) => voters.includes(id) || votersOutgoing.includes(id));
}

/** Operators add objects only: a tab asks to join. */
export function shapeAfter(shape: ClusterShape, change: MemberChange | undefined): ClusterShape {
  if (change === undefined) return shape;
  if (isShape(change.shape)) return change.shape === undefined ? shape : named(shape, change.shape);
  const isKnown = shape.shape === "none" || shape.objects.includes(change.id) || shape.objects.length >= OBJECTS_MAX;
  return change.rule === "add" && !isKnown ? { ...shape, objects: [...shape.objects, change.id] } : shape;
}

/** Which members are objects does not change when tabs take their votes. */
function named(known: ClusterShape, wanted: ClusterShape): ClusterShape {
  return wanted.shape === "tabs" && known.shape !== "none" ? { ...wanted, objects: known.objects } : wanted;
}
