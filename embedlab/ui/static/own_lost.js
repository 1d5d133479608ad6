// Says after a reload, which a restarted server causes too, that the texts given before are gone. The
// browser's tab remembers that there were some; the value tells whether the server has them.

const KEY = "embedlab own texts";
const [VALUE] = "value".split(" ");
const line = element.querySelector("p");
line.hidden = sessionStorage.getItem(KEY) === null;
sessionStorage.removeItem(KEY);
watch(VALUE, () => {
  if (!props[VALUE]) return;
  sessionStorage.setItem(KEY, "given");
  line.hidden = true;
});
