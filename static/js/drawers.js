import { $ } from './dom.js';

const SIDES = [['show-rooms', 'rooms-panel'], ['show-people', 'people-panel']];

/** The panels that a narrow screen has no room for: they come over the room, one at a time. */
export class Drawers {
  constructor() {
    for (const [button, panel] of SIDES) $(button).addEventListener('click', () => this.#toggle(button, panel));
    $('shade').addEventListener('click', () => this.close());
    // Also of the room in view, which is no other address.
    $('rooms-panel').addEventListener('click', ({ target }) => target.closest('a') && this.close());
    addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || $('shade').hidden) return;
      event.stopPropagation();
      this.close();
    }, { capture: true });
    // On a wider screen a panel is simply there.
    matchMedia('(max-width: 60rem)').addEventListener('change', () => this.close());
    matchMedia('(max-width: 44rem)').addEventListener('change', () => this.close());
  }

  /** Opens the panel of rooms, where it is a drawer. */
  showRooms() {
    const [[button, panel]] = SIDES;
    if (getComputedStyle($(button)).display !== 'none' && !$(panel).classList.contains('open')) this.#toggle(button, panel);
  }

  /** Closes what is open, and gives the focus back to its button. */
  close() {
    for (const [button, panel] of SIDES) {
      if (!$(panel).classList.contains('open')) continue;
      const had = $(panel).contains(document.activeElement);
      $(panel).classList.remove('open');
      $(button).ariaExpanded = 'false';
      if (had) $(button).focus();
    }
    $('shade').hidden = true;
    document.querySelector('main').inert = false;
  }

  #toggle(button, panel) {
    const open = !$(panel).classList.contains('open');
    this.close();
    if (!open) return;
    $(panel).classList.add('open');
    $(button).ariaExpanded = 'true';
    $('shade').hidden = false;
    // What lies under the drawer can be neither reached nor read meanwhile.
    document.querySelector('main').inert = true;
    $(panel).querySelector('a, input, button')?.focus();
  }
}
