import { $, element } from './dom.js';
import { SHORTCUTS } from './shortcuts.js';

/** @param {string} title @param {string} text @returns {Promise<boolean>} whether the person agrees */
export function confirmed(title, text) {
  const dialog = $('confirm');
  $('confirm-title').textContent = title;
  $('confirm-text').textContent = text;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
}

/** The list of shortcuts. */
export function showHelp() {
  if ($('shortcuts').childElementCount === 0) {
    for (const [where, keys] of SHORTCUTS) $('shortcuts').append(element('h3', {}, where), element('dl', {}, ...keys.flatMap(row)));
  }
  $('help').showModal();
  $('help').scrollTop = 0; // the button at its end has the focus
}

function row({ keys, says }) {
  const shown = keys.flatMap((key, at) => [...(at ? [' + '] : []), element('kbd', {}, key)]);
  return [element('dt', {}, ...shown), element('dd', {}, says)];
}
