/**
 * A binary min-heap whose nodes know their place, so that one whose key changed is moved in O(log n) instead of being
 * searched for. Serves the three questions that would otherwise be a scan of all members per call: who has the fewest
 * calls, whose turn is it by weight, whose ejection ends first.
 */

export interface HeapNode {
  key: number
  /** Decides between equal keys: the smaller first. */
  tie: number
  /** Its place in the heap; -1 outside. Owned by the heap. */
  at: number
}

export class IndexedHeap<N extends HeapNode> {
  readonly #nodes: N[] = []

  get size(): number {
    return this.#nodes.length
  }

  /** The node with the smallest key. */
  get top(): N | undefined {
    return this.#nodes[0]
  }

  push(node: N): void {
    node.at = this.#nodes.length
    this.#nodes.push(node)
    this.#rise(node)
  }

  remove(node: N): void {
    const { at } = node
    const last = this.#nodes.pop() as N
    node.at = -1
    if (last === node) return
    last.at = at
    this.#nodes[at] = last
    this.moved(last)
  }

  /** To be called after a node's key or tie changed. */
  moved(node: N): void {
    if (node.at > 0 && before(node, this.#nodes[(node.at - 1) >> 1] as N)) this.#rise(node)
    else this.#sink(node)
  }

  /** The node with the smallest key among those that pass, in O(log n) for each that does not. */
  topWhere(passes: (node: N) => boolean): N | undefined {
    const aside: N[] = []
    let top = this.top
    while (top !== undefined && !passes(top)) {
      this.remove(top)
      aside.push(top)
      top = this.top
    }
    for (const node of aside) this.push(node)
    return top
  }

  /** Empties the heap, and hands out what was in it. */
  drain(): N[] {
    const nodes = this.#nodes.splice(0)
    for (const node of nodes) node.at = -1
    return nodes
  }

  #rise(node: N): void {
    const nodes = this.#nodes
    let { at } = node
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = nodes[above] as N
      if (!before(node, parent)) break
      nodes[at] = parent
      parent.at = at
      at = above
    }
    nodes[at] = node
    node.at = at
  }

  #sink(node: N): void {
    const nodes = this.#nodes
    const size = nodes.length
    let { at } = node
    for (let below = 2 * at + 1; below < size; below = 2 * at + 1) {
      let child = nodes[below] as N
      const right = below + 1 < size ? (nodes[below + 1] as N) : undefined
      if (right !== undefined && before(right, child)) {
        child = right
        below += 1
      }
      if (!before(child, node)) break
      nodes[at] = child
      child.at = at
      at = below
    }
    nodes[at] = node
    node.at = at
  }
}

function before(a: HeapNode, b: HeapNode): boolean {
  return a.key < b.key || (a.key === b.key && a.tie < b.tie)
}
