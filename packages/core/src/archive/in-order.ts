/**
 * Yields `work(item)` for every item, in order, with up to `ahead` of them under way. When the consumer stops or one fails, no further one begins
 * and those under way are waited for.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Its failure is seen when its turn comes.
      result.catch(() => undefined);
      underWay.push(result);
      const oldest = underWay.length >= ahead ? underWay.shift() : undefined;
      if (oldest !== undefined) yield await oldest;
    }
    for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}
