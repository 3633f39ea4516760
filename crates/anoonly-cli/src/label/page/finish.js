export const startFinish = () => {};
