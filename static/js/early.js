// The look somebody chose, before anything is drawn: a page must not flash in other colours. A plain
// script, since modules run later. settings.js writes what this reads.
{
  const apply = () => {
    try {
      const { theme, size } = JSON.parse(localStorage.getItem('hubbub.look') ?? '{}');
      Object.assign(document.documentElement.dataset, { theme: theme ?? 'system', size: size ?? 'normal' });
    } catch {
      // No storage, or not ours: as the system has it.
    }
  };
  apply();
  addEventListener('storage', ({ key }) => key === 'hubbub.look' && apply());
}
