/* Every sentence of the page, in both languages. */
const WORDS = {
  en: {
    language: "中文", title: "Browse our photos", back: "Back", everybody: "All people", skip: "Skip to the photos",
    whose: "Whose photos?", about: "Everything here is an ordinary file on this drive. Nothing is sent anywhere.",
    ours: "Ours", oursAbout: "What we share in the family", photosOne: "1 photo", photos: "{n} photos", albumsOne: "1 album", albums: "{n} albums",
    timeline: "Timeline", albumsTab: "Albums", search: "Search", searchHint: "Title, tag, name, 2026 …", searching: "Searching …",
    foundOne: "1 photo found", found: "{n} photos found", foundNone: "Nothing found. Try another word.", noPhotos: "There are no photos here yet.",
    noAlbums: "There are no albums here yet.", by: "by {name}", missing: "The list of photos cannot be read.",
    missingHelp: "It lies in the hidden folder “.everpx” beside this page. Open this page on the drive itself, not a copy of it alone. The photos are ordinary files in the folders of this drive.",
    partMissing: "A part of the list is missing on this drive. The photos themselves are in their folders.",
    scrub: "Go to a month", photo: "Photo", video: "Video", close: "Close", newer: "Newer", older: "Older", open: "Open the original",
    taken: "Taken", file: "File", folder: "Folder", size: "Size", place: "Place", camera: "Camera", also: "Belongs to it:", tags: "Tags", rating: "Rating", favourite: "Favourite", shared: "Shared with the family",
    yes: "Yes", cannotShow: "Your browser cannot show this kind of file. “Open the original” hands it to another program.",
    smallOnly: "Your browser cannot show the original of this kind. This is its small picture.",
    drive: "“{name}” ({tag}), as of {date}.", stars: "{n} of 5",
  },
  zh: {
    language: "English", title: "浏览我们的照片", back: "返回", everybody: "所有人", skip: "跳到照片",
    whose: "看谁的照片？", about: "这里的一切都是此硬盘上的普通文件，不会向任何地方发送任何内容。",
    ours: "我们的", oursAbout: "家人之间共享的照片", photosOne: "1 张照片", photos: "{n} 张照片", albumsOne: "1 个相册", albums: "{n} 个相册",
    timeline: "时间线", albumsTab: "相册", search: "搜索", searchHint: "标题、标签、文件名、2026 …", searching: "正在搜索…",
    foundOne: "找到 1 张照片", found: "找到 {n} 张照片", foundNone: "没有找到。请换一个词试试。", noPhotos: "这里还没有照片。",
    noAlbums: "这里还没有相册。", by: "来自 {name}", missing: "无法读取照片列表。",
    missingHelp: "它位于此页面旁边的隐藏文件夹“.everpx”中。请直接在硬盘上打开此页面，而不要只打开它的副本。照片是此硬盘各文件夹中的普通文件。",
    partMissing: "此硬盘上缺少列表的一部分。照片本身仍在各自的文件夹中。",
    scrub: "跳转到月份", photo: "照片", video: "视频", close: "关闭", newer: "较新", older: "较旧", open: "打开原始文件",
    taken: "拍摄时间", file: "文件", folder: "文件夹", size: "大小", place: "地点", camera: "相机", also: "附属文件：", tags: "标签", rating: "评分", favourite: "收藏", shared: "与家人共享",
    yes: "是", cannotShow: "您的浏览器无法显示此类文件。“打开原始文件”会交给其他程序打开。",
    smallOnly: "您的浏览器无法显示此类原始文件。这是它的小图。",
    drive: "“{name}”（{tag}），截至 {date}。", stars: "{n} / 5",
  },
};
let language = "en";
try { language = localStorage.getItem("everpx-language") || ""; } catch { language = ""; } /* a page from a file may have no memory */
if (!WORDS[language]) language = (navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en";

const say = (word, values = {}) => WORDS[language][word].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const number = (n) => n.toLocaleString(language);
const counted = (word, n) => (n === 1 ? say(`${word}One`) : say(word, { n: number(n) }));
const dated = (seconds, style) => new Intl.DateTimeFormat(language, { timeZone: "UTC", ...style }).format(new Date(seconds * 1000));
const monthName = (month) => (month % 100 === 0 ? String(month / 100) : dated(Date.UTC(Math.floor(month / 100), (month % 100) - 1, 1) / 1000, { year: "numeric", month: "long" }));

/* Foreign words only ever become text, never markup. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
const byId = (id) => document.getElementById(id);
