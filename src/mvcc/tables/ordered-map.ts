/**
 * A sorted map from strings to values: a B+-tree in plain arrays. V8 compares two one-byte strings with a vector loop, so
 * a search over latin1 keys costs less than hashing one of them; that is why there is no hash map beside the tree.
 */
import { assert } from "../../base/assert.ts";

const LEAF_MAX = 64;
const INNER_MAX = 64;

interface Leaf<V> {
  readonly type: "leaf";
  keys: string[];
  values: V[];
  next: Leaf<V> | undefined;
}

interface Inner<V> {
  readonly type: "inner";
  /** keys[i] is the lowest key allowed under children[i + 1]. */
  keys: string[];
  children: Node<V>[];
}

type Node<V> = Leaf<V> | Inner<V>;

export class OrderedMap<V> {
  #root: Node<V> = newLeaf([], [], undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const leaf = this.#leafOf(key);
    const at = lowerBound(leaf.keys, key);
    return leaf.keys[at] === key ? leaf.values[at] : undefined;
  }

  set(key: string, value: V): void {
    const path: Inner<V>[] = [];
    const leaf = this.#leafOf(key, path);
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) leaf.values[at] = value;
    else this.#insertAt(leaf, at, key, value, path);
  }

  delete(key: string): V | undefined {
    const path: Inner<V>[] = [];
    const leaf = this.#leafOf(key, path);
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] !== key) return undefined;
    const former = leaf.values[at];
    leaf.keys.splice(at, 1);
    leaf.values.splice(at, 1);
    this.#size--;
    if (leaf.keys.length < LEAF_MAX / 4) this.#shrink(leaf, key, path);
    return former;
  }

  /**
   * Visits [start, end) in order; `end` undefined means to the last key. `visit` returns false to stop and must not
   * write.
   */
  scan(start: string, end: string | undefined, visit: (value: V, key: string) => boolean): void {
    let leaf: Leaf<V> | undefined = this.#leafOf(start);
    let at = lowerBound(leaf.keys, start);
    for (; leaf !== undefined; leaf = leaf.next, at = 0) {
      const keys: string[] = leaf.keys;
      const whole = end === undefined || (keys.length > 0 && (keys[keys.length - 1] as string) < end);
      for (; at < keys.length; at++) {
        const key = keys[at] as string;
        if (!whole && key >= end) return;
        if (!visit(leaf.values[at] as V, key)) return;
      }
      if (!whole && keys.length > 0) return;
    }
  }

  /**
   * Returns up to `limit` values of keys above `after` (undefined: from the first key), as an array that survives
   * writes.
   */
  valuesAfter(after: string | undefined, limit: number): V[] {
    const values: V[] = [];
    if (limit <= 0) return values;
    this.scan(after === undefined ? "" : `${after}\0`, undefined, (value) => {
      values.push(value);
      return values.length < limit;
    });
    return values;
  }

  #leafOf(key: string, path?: Inner<V>[]): Leaf<V> {
    let node = this.#root;
    while (node.type === "inner") {
      path?.push(node);
      node = node.children[upperBound(node.keys, key)] as Node<V>;
    }
    return node;
  }

  #insertAt(leaf: Leaf<V>, at: number, key: string, value: V, path: Inner<V>[]): void {
    leaf.keys.splice(at, 0, key);
    leaf.values.splice(at, 0, value);
    this.#size++;
    if (leaf.keys.length > LEAF_MAX) this.#splitLeaf(leaf, path);
  }

  #splitLeaf(leaf: Leaf<V>, path: Inner<V>[]): void {
    // Keys often come in ascending order; leaving the full part behind then keeps the leaves full instead of half full.
    const at = leaf.next === undefined ? LEAF_MAX - 4 : leaf.keys.length >> 1;
    const right = newLeaf(leaf.keys.slice(at), leaf.values.slice(at), leaf.next);
    leaf.keys = leaf.keys.slice(0, at);
    leaf.values = leaf.values.slice(0, at);
    leaf.next = right;
    this.#insertChild(path, right.keys[0] as string, leaf, right);
  }

  #insertChild(path: Inner<V>[], separator: string, left: Node<V>, right: Node<V>): void {
    const parent = path.pop();
    if (parent === undefined) {
      this.#root = { type: "inner", keys: [separator], children: [left, right] };
      return;
    }
    const at = upperBound(parent.keys, separator);
    parent.keys.splice(at, 0, separator);
    parent.children.splice(at + 1, 0, right);
    if (parent.children.length <= INNER_MAX) return;
    const half = parent.children.length >> 1;
    const middle = parent.keys[half - 1] as string;
    const sibling: Inner<V> = {
      type: "inner",
      keys: parent.keys.slice(half),
      children: parent.children.slice(half),
    };
    parent.keys = parent.keys.slice(0, half - 1);
    parent.children = parent.children.slice(0, half);
    this.#insertChild(path, middle, parent, sibling);
  }

  /** Merges a thin node with a neighbour under the same parent if both fit into one, from the leaf upwards. */
  #shrink(leaf: Leaf<V>, key: string, path: Inner<V>[]): void {
    let node: Node<V> = leaf;
    for (let parent = path.pop(); parent !== undefined; parent = path.pop()) {
      const at = upperBound(parent.keys, key);
      assert(parent.children[at] === node, "the path leads to the node");
      const left = at > 0 ? at - 1 : at;
      if (left + 1 < parent.children.length) joinChildren(parent, left);
      if (parent.children.length >= INNER_MAX / 4) return;
      node = parent;
    }
    if (node.type === "inner" && node.children.length === 1) this.#root = node.children[0] as Node<V>;
  }
}

function joinChildren<V>(parent: Inner<V>, left: number): void {
  const low = parent.children[left] as Node<V>;
  const high = parent.children[left + 1] as Node<V>;
  if (low.type === "leaf" && high.type === "leaf") {
    if (low.keys.length + high.keys.length > (LEAF_MAX * 3) / 4) return;
    low.keys = low.keys.concat(high.keys);
    low.values = low.values.concat(high.values);
    low.next = high.next;
  } else if (low.type === "inner" && high.type === "inner") {
    if (low.children.length + high.children.length > (INNER_MAX * 3) / 4) return;
    low.keys = low.keys.concat(parent.keys[left] as string, high.keys);
    low.children = low.children.concat(high.children);
  }
  parent.keys.splice(left, 1);
  parent.children.splice(left + 1, 1);
}

function newLeaf<V>(keys: string[], values: V[], next: Leaf<V> | undefined): Leaf<V> {
  return { type: "leaf", keys, values, next };
}

/** Returns the first position whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the first position whose key is above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
