/**
 * The script of the passkey pages: it has the browser ask the authenticator, puts the answer into the form and sends it.
 * What was asked for stands in the form; nothing else is sent anywhere.
 */
export const passkeyScript = `'use strict';
(() => {
  const form = document.querySelector('form[data-passkey]');
  if (!form) return;
  const { startRegistration, startAuthentication } = window.SimpleWebAuthnBrowser;
  const button = form.querySelector('button[type=submit]');
  const alert = form.querySelector('[role=alert]');
  const words = {
    NotAllowedError: 'It was cancelled, took too long, or none of your passkeys is on this device.',
    InvalidStateError: 'This device holds a passkey of yours already.',
    NotSupportedError: 'This browser can’t use passkeys.',
    SecurityError: 'Passkeys don’t work at this address.',
  };

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    alert.textContent = '';
    try {
      const optionsJSON = JSON.parse(form.dataset.options);
      const ask = form.dataset.passkey === 'enrol' ? startRegistration : startAuthentication;
      form.elements.response.value = JSON.stringify(await ask({ optionsJSON }));
      form.submit();
    } catch (error) {
      alert.textContent = words[error.name] ?? 'It did not work.';
      button.disabled = false;
      button.focus();
    }
  });
})();
`;
