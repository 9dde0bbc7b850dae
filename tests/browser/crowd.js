// Several participants in one page, for tests: painted cameras and a voice, each in a call of its own. One browser for all
// costs a fraction of one for each. `guests`: name, hue, width, height, fps, whether the guest speaks, slots.

export async function crowd({ join }, room, guests) {
  const calls = [];
  for (const guest of guests) {
    const camera = painted(guest);
    const microphone = guest.speaks ? voice() : false;
    calls.push(await join({ room, name: guest.name, camera, microphone, deviceClass: "desktop", videoSlots: guest.slots }));
  }
  return calls;
}

/** Terraced hills under a sun, moving a little. */
function painted({ hue, width, height, fps }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d");
  let turn = 0;
  const paint = () => {
    turn += 1;
    const sky = pen.createLinearGradient(0, 0, 0, height);
    sky.addColorStop(0, `hsl(${hue} 55% 76%)`);
    sky.addColorStop(0.7, `hsl(${hue + 28} 60% 92%)`);
    pen.fillStyle = sky;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = `hsl(${hue + 40} 90% 95%)`;
    pen.beginPath();
    pen.arc(width * (0.3 + (hue % 90) / 220), height * 0.3, height * 0.11, 0, 7);
    pen.fill();
    for (let ridge = 0; ridge < 5; ridge++) {
      for (let step = 0; step < 4; step++) {
        pen.fillStyle = `hsl(${hue + 5 * ridge} 36% ${62 - 9 * ridge - 3 * step}%)`;
        pen.beginPath();
        pen.moveTo(0, height);
        for (let x = 0; x <= width; x += 8) {
          const along = x / width;
          const wave = Math.sin(along * (4 + ridge) + hue + 0.03 * turn * (ridge + 1)) + 0.4 * Math.sin(along * (9 + 2 * ridge) + hue * ridge);
          pen.lineTo(x, height * (0.46 + 0.11 * ridge + 0.05 * step + 0.055 * wave));
        }
        pen.lineTo(width, height);
        pen.fill();
      }
    }
  };
  paint();
  setInterval(paint, 1000 / fps);
  return canvas.captureStream(fps).getVideoTracks()[0];
}

/** Harmonics of a low tone in syllables, which no suppression of noise takes away. */
function voice() {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const loud = context.createGain();
  loud.gain.value = 0.3;
  loud.connect(out);
  const syllables = context.createOscillator();
  syllables.frequency.value = 2;
  const depth = context.createGain();
  depth.gain.value = 0.15;
  syllables.connect(depth).connect(loud.gain);
  syllables.start();
  const tone = context.createOscillator();
  tone.type = "sawtooth";
  tone.frequency.value = 130;
  tone.connect(loud);
  tone.start();
  return out.stream.getAudioTracks()[0];
}
