// The WebSocket API of k6, wherever this version of k6 has it: in k6/websockets, before that in an experimental module.

/** The API of browsers, non-blocking. */
export const WebSocket = load('k6/websockets') || load('k6/experimental/websockets');

function load(module) {
  try {
    return require(module).WebSocket;
  } catch (_) {
    return undefined;
  }
}
