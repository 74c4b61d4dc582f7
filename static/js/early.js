// The look somebody chose, before anything is drawn: a page must not flash in other colours. A plain
// script, since modules run later. look.js writes what this reads.
try {
  const { theme, size } = JSON.parse(localStorage.getItem('hubbub.look') ?? '{}');
  if (theme) document.documentElement.dataset.theme = theme;
  if (size) document.documentElement.dataset.size = size;
} catch {
  // No storage, or not ours: as the system has it.
}
