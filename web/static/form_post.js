// The answer to an app that wants it by a form: sent at once.
document.getElementById("form-post").submit();
