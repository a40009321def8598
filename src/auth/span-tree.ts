/**
 * Reproduces a quirk of etcd. It keeps the ranges of a user in a red-black tree, inserted in the order of roles and
 * permissions. For a range that ends before it begins, which contains no key, its search skips some of the nodes that
 * contain the begin. The shape of the tree decides which. So the tree is built in the same way, for these requests
 * alone.
 */

/** `end` undefined: to the end of the key space. */
export interface Span {
  readonly start: string;
  readonly end: string | undefined;
}

interface Node {
  readonly span: Span;
  readonly children: [Node | undefined, Node | undefined];
  parent: Node | undefined;
  isRed: boolean;
}

type Side = 0 | 1;
const LEFT: Side = 0;
const RIGHT: Side = 1;

export class SpanTree {
  #root: Node | undefined;

  constructor(spans: readonly Span[]) {
    for (const span of spans) this.#insert(span);
  }

  /** Returns whether etcd's search for the range from `start` back to `end` reaches a node that contains `start`. */
  findsBackwards(start: string, end: string): boolean {
    const open = [this.#root];
    while (open.length > 0) {
      const node = open.pop();
      if (node === undefined) continue;
      const { span, children } = node;
      if (start < span.start) open.push(children[LEFT]);
      else if (span.end === undefined || start < span.end) return true;
      else if (span.start < end) open.push(...children);
    }
    return false;
  }

  #insert(span: Span): void {
    let parent: Node | undefined;
    let side: Side = LEFT;
    for (let at = this.#root; at !== undefined; at = at.children[side]) {
      parent = at;
      side = isBefore(span, at.span) ? LEFT : RIGHT;
    }
    const node: Node = { span, children: [undefined, undefined], parent, isRed: true };
    if (parent === undefined) this.#root = node;
    else parent.children[side] = node;
    this.#balance(node);
  }

  #balance(inserted: Node): void {
    let node = inserted;
    for (let parent = node.parent; parent?.isRed === true; parent = node.parent) {
      // The root is black, so a red node has a parent.
      const above = parent.parent as Node;
      const side = sideOf(parent, above);
      const uncle = above.children[other(side)];
      if (uncle?.isRed === true) {
        parent.isRed = uncle.isRed = false;
        above.isRed = true;
        node = above;
        continue;
      }
      if (sideOf(node, parent) !== side) {
        node = parent;
        this.#rotate(node, side);
      }
      (node.parent as Node).isRed = false;
      above.isRed = true;
      this.#rotate(above, other(side));
    }
    if (this.#root !== undefined) this.#root.isRed = false;
  }

  /** Rotates: the node moves down to that side, and its child on the other side takes its place. */
  #rotate(node: Node, side: Side): void {
    const risen = node.children[other(side)] as Node;
    const moved = risen.children[side];
    node.children[other(side)] = moved;
    if (moved !== undefined) moved.parent = node;
    risen.parent = node.parent;
    if (node.parent === undefined) this.#root = risen;
    else node.parent.children[sideOf(node, node.parent)] = risen;
    risen.children[side] = node;
    node.parent = risen;
  }
}

function other(side: Side): Side {
  return side === LEFT ? RIGHT : LEFT;
}

function sideOf(node: Node, parent: Node): Side {
  return parent.children[LEFT] === node ? LEFT : RIGHT;
}

function isBefore(left: Span, right: Span): boolean {
  if (left.start !== right.start) return left.start < right.start;
  return left.end !== undefined && (right.end === undefined || left.end < right.end);
}
