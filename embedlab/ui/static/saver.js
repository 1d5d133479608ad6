// Saves each file that the server sends.

const [VALUE] = "value".split(" ");
watch(VALUE, () => {
  const file = JSON.parse(JSON.stringify(props[VALUE] || null));
  if (file?.bytes) saveBytes(file.name, file.bytes, file.media);
  else if (file) saveText(file.name, file.text);
});
