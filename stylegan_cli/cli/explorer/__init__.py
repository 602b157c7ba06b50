"""The page of `stylegan explore`: what it can ask for (`desk`), the server that answers it, and the page itself."""
