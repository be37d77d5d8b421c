"""Where rows come from: files of the user and the Hub. One class per kind of source."""
