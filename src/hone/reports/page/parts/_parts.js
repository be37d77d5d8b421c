// What the sections of the page are drawn by, under the names that the skeleton calls them.
const parts = {};
