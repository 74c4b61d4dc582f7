const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} id @returns {HTMLElement} the element of the page with this id */
export const $ = (id) => document.getElementById(id);

/**
 * Builds an element. Text goes in as text nodes only: nothing a user wrote is ever read as markup.
 * @param {string} tag
 * @param {object} [properties] of the element; `data` for its dataset
 * @param {...(Node | string | null)} children null ones are left out
 * @returns {HTMLElement}
 */
export function element(tag, { data = {}, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(data)) if (value !== undefined) node.dataset[name] = value;
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** @param {string} name of a symbol in the page, without its `i-` @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Sets a text only where it differs: an unchanged status is not read out again. @param {HTMLElement} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * The role beside a name, so that no name can pass for another's rank (PROTOCOL.md section 1).
 * @param {{role: string}} user
 */
export const roleBadge = ({ role }) => element('span', { className: 'role', data: { role } }, role);

/** A person's letter on a person's colour. @param {{id: string, name: string}} user */
export function face({ id, name }) {
  const [letter = '?'] = name.trim().toUpperCase();
  return element('span', { className: 'face', ariaHidden: 'true', data: { hue: hue(id) } }, letter);
}

/** A colour of the palette for a person, the same on every page. @param {string} id @returns {number} 0–7 */
export function hue(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 4_093;
  return sum % 8;
}
