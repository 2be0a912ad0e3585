"""The HTTP edge of a witness, and its command. Apart from the proxy: a witness belongs on another party's machine."""
