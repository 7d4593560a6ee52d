// What the booking site asks of the town's service. The only module that knows the service's words
// for things; pages get names of ours. Everything throws ApiProblem or Offline.

import { call } from "../shared/api.js";

const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const mock = (name, ...args) => call("POST", `/mock/${name}`, args);

export const town = () => call("GET", "/v1/town");
export const me = () => mock("me");
export const facilities = () => mock("facilities");
export const free = (facility, day, days, booking = null) => mock("free", facility.id, day, days, booking?.id ?? null);
export const quote = (wish) => mock("quote", wish);
export const hold = (wish) => mock("hold", wish);
export const findHold = (id) => mock("findHold", id);
export const release = (hold) => mock("release", hold.id);
export const groups = () => mock("groups");
export const book = (hold, form) => mock("book", hold.id, form);
export const myBookings = () => mock("myBookings");
export const booking = (id) => mock("booking", id);
export const change = (booking, span) => mock("change", booking.id, span);
export const cancel = (booking) => mock("cancel", booking.id);
export const addHolder = (booking, name) => mock("addHolder", booking.id, name);
export const keyLink = (booking) => mock("keyLink", booking.id);
export const providers = () => mock("providers");
export const signIn = (provider, back) => mock("signIn", provider.id, back);
export const signOut = () => mock("signOut");
export const sessions = () => mock("sessions");
export const rename = (name) => mock("me");
export const unlink = () => mock("me");
export const link = () => mock("keyLink");
export const endSession = () => mock("me");
export const deleteAccount = () => mock("me");
export const timeOf = () => mock("findHold", "h1");
export const pay = () => mock("keyLink");
