/** Where else does an answer come from? */
export {}
