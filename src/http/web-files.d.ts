// Bun gives the path of a file that is imported with `type: "file"`: on disk in a checkout, else inside the executable.
declare module "*/web/index.html" {
  const path: string;
  export = path;
}
declare module "*/web/page.js" {
  const path: string;
  export = path;
}
declare module "*/web/style.css" {
  const path: string;
  export = path;
}
