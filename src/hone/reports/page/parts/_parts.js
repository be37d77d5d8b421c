// The functions that draw the sections of the page, by the section's name in the skeleton.
const parts = {};
