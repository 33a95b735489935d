/** Order and cycles of a directed graph given as node → nodes it refers to. */

type Edges = ReadonlyMap<string, ReadonlySet<string>>;

/** Every node behind those it refers to; independent ones in the order given. Nodes on cycles come last, in the order given. */
export function sortTopologically(edges: Edges): readonly string[] {
  const sorted = new Set<string>();
  let rest = [...edges.keys()];
  while (rest.length > 0) {
    const blocked: string[] = [];
    for (const node of rest) {
      const isReady = [...edges.get(node)!].every((to) => sorted.has(to) || !edges.has(to));
      if (isReady) sorted.add(node);
      else blocked.push(node);
    }
    if (blocked.length === rest.length) return [...sorted, ...blocked];
    rest = blocked;
  }
  return [...sorted];
}

/** One cycle for every group of nodes that refer to each other in a ring. */
export function findCycles(edges: Edges): readonly (readonly string[])[] {
  const done = new Set<string>();
  const cycles: string[][] = [];
  for (const start of edges.keys()) {
    if (done.has(start)) continue;
    const path: string[] = [start];
    const iterators = [edges.get(start)!.values()];
    while (path.length > 0) {
      const next = iterators.at(-1)!.next();
      if (next.done === true) {
        done.add(path.pop()!);
        iterators.pop();
        continue;
      }
      const at = path.indexOf(next.value);
      if (at >= 0) cycles.push(path.slice(at));
      else if (!done.has(next.value) && edges.has(next.value)) {
        path.push(next.value);
        iterators.push(edges.get(next.value)!.values());
      }
    }
  }
  return cycles;
}

/** Groups of nodes in the order they are stopped: a node stands in a group before those it refers to. */
export function stopGroups(edges: Edges): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let rest = new Set(edges.keys());
  while (rest.size > 0) {
    const referredTo = new Set(
      [...rest].flatMap((node) => [...edges.get(node)!].filter((to) => to !== node)),
    );
    const group = [...rest].filter((node) => !referredTo.has(node));
    // A ring cannot be ordered; it stops as a whole.
    if (group.length === 0) group.push(...rest);
    groups.push(group);
    rest = new Set([...rest].filter((node) => !group.includes(node)));
  }
  return groups;
}
