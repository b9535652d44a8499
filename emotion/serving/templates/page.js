// A click on the picture or the timeline plays from there; a line follows the sound.
(() => {
  const parts = (audio) => {
    const sound = audio.closest(".sound");
    return sound && { line: sound.querySelector(".cursor div"), seconds: Number(sound.dataset.seconds) };
  };
  const follow = (event) => {
    const found = event.target instanceof HTMLAudioElement && parts(event.target);
    if (!found) return;
    found.line.style.setProperty("--shown", 1);
    found.line.style.setProperty("--at", Math.min(1, event.target.currentTime / found.seconds));
    if (!event.target.paused) requestAnimationFrame(() => follow(event));
  };
  for (const name of ["play", "seeked"]) document.addEventListener(name, follow, true);
  document.addEventListener("click", (event) => {
    const time = event.target.closest?.(".time");
    if (!time) return;
    const box = time.querySelector(".cursor div").getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const sound = time.closest(".sound");
    const audio = sound.querySelector("audio");
    audio.currentTime = share * Number(sound.dataset.seconds);
    audio.play();
  });
})();
