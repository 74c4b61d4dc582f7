/**
 * The rows of a list that is looked at again and again. A row stays the same element as long as its item is there, so
 * that the focus, a selection and a press under way survive.
 */
export class Rows {
  #parent;
  #make;
  #refuge;
  #rows = new Map();

  /**
   * @param {HTMLElement} parent
   * @param {(item: object) => {node: HTMLElement, show: (item: object) => void}} make
   * @param {HTMLElement} refuge takes the focus when the row that had it goes
   */
  constructor(parent, make, refuge) {
    this.#parent = parent;
    this.#make = make;
    this.#refuge = refuge;
  }

  /** @param {[string, object][]} items with a key of their own, in order */
  show(items) {
    const kept = new Map();
    for (const [key, item] of items) {
      const row = this.#rows.get(key) ?? this.#make(item);
      row.show(item);
      kept.set(key, row);
    }
    let lost = false;
    for (const [key, { node }] of this.#rows) {
      if (kept.has(key)) continue;
      lost ||= node.contains(document.activeElement);
      node.remove();
    }
    this.#rows = kept;
    let at = this.#parent.firstChild;
    for (const { node } of kept.values()) {
      if (node === at) at = at.nextSibling;
      else this.#parent.insertBefore(node, at);
    }
    if (lost) this.#refuge.focus();
  }
}
