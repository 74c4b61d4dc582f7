import { $ } from '../dom.js';

/**
 * Asks before something is done.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {string} question.yes what the button says
 * @param {boolean} [question.choose] whether to ask for how long
 * @returns {Promise<{ms: number} | null>} for how long, milliseconds; null: not at all
 */
export function confirmed({ title, text, yes, choose = false }) {
  const dialog = $('confirm');
  $('confirm-title').textContent = title;
  $('confirm-text').textContent = text;
  $('confirm-yes').textContent = yes;
  $('choose').hidden = !choose;
  dialog.returnValue = '';
  dialog.showModal();
  if (choose) $('ban-for').focus();
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    resolve(dialog.returnValue === 'yes' ? { ms: Number($('ban-for').value) } : null);
  }, { once: true }));
}
