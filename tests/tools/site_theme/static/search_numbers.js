// Sphinx's search leaves out words of digits alone. Here they are what people look for: 502, 404, 8000. conf.py puts them
// into the index.
if (typeof Search !== "undefined") {
  const parse = Search._parseQuery;
  Search._parseQuery = (query) => {
    const found = parse(query);
    for (const word of splitQuery(query.trim())) {
      if (/^\d+$/.test(word)) {
        found[1].add(word);
        found[3].add(word);
      }
    }
    return found;
  };
}
