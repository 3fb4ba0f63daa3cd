// After the end: this browser forgets what it kept of the session.

import { forget } from "./saving.js";

forget(JSON.parse(document.getElementById("survey-data").textContent).session);
