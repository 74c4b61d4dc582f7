import { element } from './dom.js';
import { format, isLong } from './format.js';
import { mentions } from './mentions.js';

/**
 * A message's text as elements: links one can follow, code, mentions; the rest is plain text.
 * @param {string} text
 * @param {{name: string} | null} me whose mention stands out
 * @returns {Node[]}
 */
function pieces(text, me) {
  return format(text).map((piece) => {
    switch (piece.kind) {
      case 'link': return element('a', { href: piece.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, piece.text);
      case 'code': return element('code', { dir: 'ltr' }, piece.text);
      case 'block': return element('pre', { dir: 'ltr', tabIndex: -1 }, element('code', {}, piece.text));
      case 'mention': return element('span', { className: mentions(piece.text, me?.name) ? 'mention me' : 'mention' }, piece.text);
      default: return document.createTextNode(piece.text);
    }
  });
}

/**
 * @param {import('./timeline.js').Message} message
 * @param {{name: string} | null} me
 * @param {boolean} open whether a long text is shown whole
 * @returns {HTMLElement[]} the text, and a button where it is folded
 */
export function textOf({ id, text, deleted }, me, open) {
  const shown = element('div', { className: 'text', dir: 'auto' }, ...(deleted ? ['Message deleted'] : pieces(text, me)));
  if (deleted || !isLong(text)) return [shown];
  shown.id = `text-${id}`;
  shown.classList.toggle('folded', !open);
  const button = element('button', { type: 'button', className: 'unfold quiet', tabIndex: -1, data: { action: 'unfold' } }, open ? 'Show less' : 'Show all');
  button.setAttribute('aria-expanded', String(open));
  button.setAttribute('aria-controls', shown.id);
  return [shown, button];
}
