/**
 * Where a list stands in its scroller: the first item in view and how far from the top it is.
 * @param {HTMLElement} scroller what the items' `offsetTop` counts from
 * @param {HTMLElement} list
 * @returns {{node: HTMLElement, offset: number} | null}
 */
export function takeAnchor(scroller, list) {
  const { scrollTop } = scroller;
  const items = list.children;
  let [low, high] = [0, items.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].offsetTop + items[middle].offsetHeight <= scrollTop) low = middle + 1;
    else high = middle;
  }
  return items[low] ? { node: items[low], offset: items[low].offsetTop - scrollTop } : null;
}

/**
 * Scrolls so that an item stands where it stood, whatever was put before it or taken away.
 * @param {HTMLElement} scroller
 * @param {HTMLElement | undefined} node the item, or what has replaced it
 * @param {number} offset
 */
export function restoreAnchor(scroller, node, offset) {
  const wanted = node && node.offsetTop - offset;
  if (node && Math.abs(scroller.scrollTop - wanted) >= 1) scroller.scrollTop = wanted;
}
