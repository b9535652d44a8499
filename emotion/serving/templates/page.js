// A click on the spectrogram or the timeline plays from there; a cursor follows the playback.
(() => {
  const follow = (event) => {
    const player = event.target instanceof HTMLAudioElement && event.target.closest(".player");
    if (!player) return;
    const cursor = player.querySelector(".cursor div");
    cursor.style.setProperty("--shown", 1);
    cursor.style.setProperty("--at", Math.min(1, event.target.currentTime / player.dataset.seconds));
    if (!event.target.paused) requestAnimationFrame(() => follow(event));
  };
  for (const name of ["play", "seeked"]) document.addEventListener(name, follow, true);
  document.addEventListener("click", (event) => {
    const player = event.target.closest?.(".time")?.closest(".player");
    if (!player) return;
    const box = player.querySelector(".cursor div").getBoundingClientRect();
    const fraction = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const audio = player.querySelector("audio");
    audio.currentTime = fraction * player.dataset.seconds;
    audio.play();
  });
})();
