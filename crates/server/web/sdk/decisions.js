// The server's decisions about one receiver as they are made: lines of JSON, which `terrace sim replay` reads.

/**
 * Gathers them until `signal` ends it, or the server does.
 * @param {string | URL} address
 * @param {string} bearer  what shows that one may: an operator's token, or one's own secret of return
 * @param {AbortSignal} signal
 * @param {(lines: number) => void} [heard]  told how many there are, as they come
 * @returns {Promise<string>}  whole lines
 */
export async function decisions(address, bearer, signal, heard = () => {}) {
  let text = "";
  try {
    const answer = await fetch(address, { cache: "no-store", headers: { authorization: `Bearer ${bearer}` }, signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let lines = 0;
    for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
      text += piece.value;
      lines += piece.value.split("\n").length - 1;
      if (answer.ok) heard(lines);
    }
    if (!answer.ok) throw new Error(JSON.parse(text).message);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return text.slice(0, text.lastIndexOf("\n") + 1);
}
