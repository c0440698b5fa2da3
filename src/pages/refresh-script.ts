/**
 * The only script: it asks for the page again and swaps the part marked `data-refresh` (milliseconds). Without scripts
 * the page is the same, only older. It waits while the tab is hidden, a key user stands inside the part, or something
 * in it is marked; it stops when the new page no longer asks for it or is another page (signed out).
 */
export const refreshScript = `'use strict';
(() => {
  const part = () => document.querySelector('[data-refresh]');
  const busy = (element) =>
    document.hidden || element.contains(document.activeElement) || !document.getSelection()?.isCollapsed;

  async function refresh() {
    const old = part();
    if (!old) return;
    if (!busy(old)) {
      try {
        const reply = await fetch(location.href, { headers: { accept: 'text/html' }, redirect: 'error' });
        if (!reply.ok) return;
        const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
        const fresh = page.getElementById(old.id);
        if (!fresh) return;
        if (!busy(old)) old.replaceWith(document.adoptNode(fresh));
      } catch {
        // The server is away or the session is over: the next round, or the next click, tells.
      }
    }
    schedule();
  }

  function schedule() {
    const wait = Number(part()?.dataset.refresh);
    if (wait > 0) setTimeout(refresh, wait);
  }
  schedule();
})();
`;
