/**
 * Finds which of many key ranges contain a key: an AVL tree of ranges by their start, in which each node also stores
 * the furthest end below it. An end of undefined lies after every key.
 */

export interface Interval {
  readonly start: string;
  readonly end: string | undefined;
}

interface Node<T extends Interval> {
  item: T;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
  height: number;
  furthest: string | undefined;
}

export class IntervalTree<T extends Interval> {
  #root: Node<T> | undefined = undefined;

  find(start: string, end: string | undefined): T | undefined {
    let node = this.#root;
    while (node !== undefined) {
      const order = compareTo(start, end, node.item);
      if (order === 0) return node.item;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** Adds a range. An equal range must not be in the tree. */
  insert(item: T): void {
    this.#root = inserted(this.#root, item);
  }

  remove(item: T): void {
    this.#root = removed(this.#root, item);
  }

  /** Visits every range that contains the key. */
  stab(key: string, visit: (item: T) => void): void {
    stab(this.#root, key, visit);
  }
}

function stab<T extends Interval>(node: Node<T> | undefined, key: string, visit: (item: T) => void): void {
  if (node === undefined || !endsAfter(node.furthest, key)) return;
  stab(node.left, key, visit);
  if (node.item.start > key) return;
  if (endsAfter(node.item.end, key)) visit(node.item);
  stab(node.right, key, visit);
}

function endsAfter(end: string | undefined, key: string): boolean {
  return end === undefined || key < end;
}

function compareTo(start: string, end: string | undefined, item: Interval): number {
  if (start !== item.start) return start < item.start ? -1 : 1;
  if (end === item.end) return 0;
  if (end === undefined) return 1;
  return item.end === undefined || end < item.end ? -1 : 1;
}

function inserted<T extends Interval>(node: Node<T> | undefined, item: T): Node<T> {
  if (node === undefined) return { item, left: undefined, right: undefined, height: 1, furthest: item.end };
  if (compareTo(item.start, item.end, node.item) < 0) node.left = inserted(node.left, item);
  else node.right = inserted(node.right, item);
  return balanced(node);
}

function removed<T extends Interval>(node: Node<T> | undefined, item: T): Node<T> | undefined {
  if (node === undefined) return undefined;
  const order = compareTo(item.start, item.end, node.item);
  if (order < 0) node.left = removed(node.left, item);
  else if (order > 0) node.right = removed(node.right, item);
  else if (node.left === undefined) return node.right;
  else if (node.right === undefined) return node.left;
  else {
    let next = node.right;
    while (next.left !== undefined) next = next.left;
    node.item = next.item;
    node.right = removed(node.right, next.item);
  }
  return balanced(node);
}

function balanced<T extends Interval>(node: Node<T>): Node<T> {
  const lean = heightOf(node.left) - heightOf(node.right);
  if (lean > 1) {
    const left = node.left as Node<T>;
    if (heightOf(left.left) < heightOf(left.right)) node.left = rotatedLeft(left);
    return rotatedRight(node);
  }
  if (lean < -1) {
    const right = node.right as Node<T>;
    if (heightOf(right.right) < heightOf(right.left)) node.right = rotatedRight(right);
    return rotatedLeft(node);
  }
  return measured(node);
}

function rotatedRight<T extends Interval>(node: Node<T>): Node<T> {
  const top = node.left as Node<T>;
  node.left = top.right;
  top.right = measured(node);
  return measured(top);
}

function rotatedLeft<T extends Interval>(node: Node<T>): Node<T> {
  const top = node.right as Node<T>;
  node.right = top.left;
  top.left = measured(node);
  return measured(top);
}

function measured<T extends Interval>(node: Node<T>): Node<T> {
  node.height = 1 + Math.max(heightOf(node.left), heightOf(node.right));
  node.furthest = node.item.end;
  if (node.left !== undefined) node.furthest = further(node.furthest, node.left.furthest);
  if (node.right !== undefined) node.furthest = further(node.furthest, node.right.furthest);
  return node;
}

function heightOf<T extends Interval>(node: Node<T> | undefined): number {
  return node === undefined ? 0 : node.height;
}

function further(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return undefined;
  return one < other ? other : one;
}
